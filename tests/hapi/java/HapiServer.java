import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.interceptor.api.IInterceptorService;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.api.dao.DaoRegistry;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.config.util.ResourceCountCacheUtil;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirH2Dialect;
import ca.uhn.fhir.jpa.provider.DaoRegistryResourceSupportedSvc;
import ca.uhn.fhir.jpa.provider.IJpaSystemProvider;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.search.IStaleSearchDeletingSvc;
import ca.uhn.fhir.jpa.search.StaleSearchDeletingSvcImpl;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.match.config.SubscriptionProcessorConfig;
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import ca.uhn.fhir.jpa.util.ResourceCountCache;
import ca.uhn.fhir.rest.api.IResourceSupportedSvc;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.interceptor.RequestValidatingInterceptor;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import ca.uhn.fhir.validation.IValidatorModule;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import com.zaxxer.hikari.HikariDataSource;
import jakarta.persistence.EntityManagerFactory;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.Properties;
import javax.sql.DataSource;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.hl7.fhir.dstu2.model.Subscription.SubscriptionChannelType;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.Primary;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;

/**
 * A HAPI FHIR JPA server (R4) on loopback, with request validation and subscriptions on.
 *
 * <p>Arguments: port (0: any free one) and a folder for the database, which outlives the server.
 * Once it answers it prints its FHIR base address, alone on a line; SIGTERM stops it cleanly.
 */
@Configuration
@Import({
  JpaR4Config.class,
  JpaBatch2Config.class,
  Batch2JobsConfig.class,
  ThreadPoolFactoryConfig.class,
  SubscriptionSubmitterConfig.class,
  SubscriptionProcessorConfig.class,
  SubscriptionChannelConfig.class
})
public class HapiServer {
  private static final String FOLDER = "hapi.folder";
  private static final int USUAL_PAGE = 20;
  private static final int LARGEST_PAGE = 50;

  /** Starts the server and stays. */
  public static void main(String[] arguments) throws Exception {
    System.setProperty(FOLDER, Path.of(arguments[1]).toAbsolutePath().toString());
    var beans = new AnnotationConfigApplicationContext(HapiServer.class);
    var jetty = jetty(fhirServer(beans), Integer.parseInt(arguments[0]));
    // No new request first, then the database: nothing that was answered may be lost.
    Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(jetty, beans)));
    jetty.start();
    int port = ((ServerConnector) jetty.getConnectors()[0]).getLocalPort();
    System.out.println("http://127.0.0.1:" + port + "/fhir");
    jetty.join();
  }

  private static Server jetty(RestfulServer fhir, int port) {
    var jetty = new Server(new InetSocketAddress("127.0.0.1", port));
    var handler = new ServletContextHandler();
    handler.setContextPath("/");
    handler.addServlet(new ServletHolder(fhir), "/fhir/*");
    jetty.setHandler(handler);
    jetty.setStopTimeout(5_000);
    return jetty;
  }

  private static void stop(Server jetty, AnnotationConfigApplicationContext beans) {
    try {
      jetty.stop();
    } catch (Exception error) {
      System.err.println("The web server did not stop cleanly: " + error);
    }
    beans.close();
  }

  private static RestfulServer fhirServer(AnnotationConfigApplicationContext beans) {
    var server = new RestfulServer(beans.getBean(FhirContext.class));
    var resources = beans.getBean("myResourceProvidersR4", ResourceProviderFactory.class);
    server.registerProviders(resources.createProviders());
    server.registerProvider(beans.getBean(IJpaSystemProvider.class));
    server.setServerConformanceProvider(
        new JpaCapabilityStatementProvider(
            server,
            beans.getBean(IFhirSystemDao.class),
            beans.getBean(JpaStorageSettings.class),
            beans.getBean(ISearchParamRegistry.class),
            beans.getBean(IValidationSupport.class)));
    server.setPagingProvider(beans.getBean(DatabaseBackedPagingProvider.class));
    // The service through which the storage layer, subscriptions included, hears of requests.
    server.setInterceptorService(beans.getBean(IInterceptorService.class));
    server.registerInterceptor(validation(beans.getBean(IValidatorModule.class)));
    return server;
  }

  /** Refuses what is no valid R4 with 422; warnings pass. */
  private static RequestValidatingInterceptor validation(IValidatorModule module) {
    var interceptor = new RequestValidatingInterceptor();
    interceptor.setFailOnSeverity(ResultSeverityEnum.ERROR);
    interceptor.addValidatorModule(module);
    return interceptor;
  }

  @Bean
  DataSource dataSource() {
    var source = new HikariDataSource();
    // H2 must not close at the signal itself: requests are still being finished then.
    source.setJdbcUrl(
        "jdbc:h2:file:" + System.getProperty(FOLDER) + "/hapi;DB_CLOSE_ON_EXIT=FALSE;TRACE_LEVEL_FILE=0");
    return source;
  }

  @Bean
  JpaStorageSettings storageSettings() {
    return new JpaStorageSettings();
  }

  @Bean
  SubscriptionSettings subscriptionSettings() {
    var settings = new SubscriptionSettings();
    settings.addSupportedSubscriptionType(SubscriptionChannelType.RESTHOOK);
    return settings;
  }

  @Bean
  PartitionSettings partitionSettings() {
    return new PartitionSettings();
  }

  @Bean
  IStaleSearchDeletingSvc staleSearches() {
    return new StaleSearchDeletingSvcImpl();
  }

  /** Pages small enough that the tests need several. */
  @Bean
  DatabaseBackedPagingProvider paging() {
    var paging = new DatabaseBackedPagingProvider();
    paging.setDefaultPageSize(USUAL_PAGE);
    paging.setMaximumPageSize(LARGEST_PAGE);
    return paging;
  }

  @Bean
  IResourceSupportedSvc supportedResources(DaoRegistry registry) {
    return new DaoRegistryResourceSupportedSvc(registry);
  }

  /** The subscription configuration asks for one; there is no mail here. */
  @Bean
  IEmailSender emailSender() {
    return details -> {};
  }

  @Bean(name = "myResourceCountsCache")
  ResourceCountCache resourceCounts(IFhirSystemDao<?, ?> system) {
    return ResourceCountCacheUtil.newResourceCountCache(system);
  }

  @Primary
  @Bean
  LocalContainerEntityManagerFactoryBean entityManagerFactory(
      ConfigurableListableBeanFactory beans,
      FhirContext context,
      JpaStorageSettings settings,
      DataSource source) {
    var factory =
        HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, context, settings);
    factory.setPersistenceUnitName("hapi");
    factory.setDataSource(source);
    var properties = new Properties();
    properties.put("hibernate.dialect", HapiFhirH2Dialect.class.getName());
    properties.put("hibernate.hbm2ddl.auto", "update");
    properties.put("hibernate.search.enabled", "false");
    factory.setJpaProperties(properties);
    return factory;
  }

  @Primary
  @Bean
  JpaTransactionManager transactionManager(EntityManagerFactory factory) {
    return new JpaTransactionManager(factory);
  }
}
